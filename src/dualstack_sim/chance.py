"""Seeded chance: the same seed and the same key give the same draw, in whatever order the keys are asked.

The simulated world runs on several asynchronous tasks whose order the machine decides. If they shared one generator,
the order would leak into every latency. A draw depends on its key alone instead.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chance:
    """A family of generators, one for each key."""

    seed: int = 0

    def generator(self, *key: object) -> random.Random:
        """A fresh generator that belongs to `key`."""
        text = "\x1f".join(str(part) for part in (self.seed, *key))
        return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))

    def uniform(self, low: float, high: float, *key: object) -> float:
        return self.generator(*key).uniform(low, high)

    def latency(self, median: float, *key: object, sigma: float = 0.25, tail: float = 0.01) -> float:
        """Seconds: lognormal around `median`, and with probability `tail` five times that (compute-api.md 2.5)."""
        generator = self.generator(*key)
        seconds = median * math.exp(generator.gauss(0.0, sigma))
        return seconds * 5.0 if generator.random() < tail else seconds

    def word(self, length: int, *key: object, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        generator = self.generator(*key)
        return "".join(generator.choice(alphabet) for _ in range(length))

    def uid(self, *key: object) -> str:
        """A version 4 UUID."""
        digits = f"{self.generator(*key).getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) % 4]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
