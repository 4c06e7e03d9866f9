"""Seeded random draws that depend only on the seed and a key, not on the order of the draws.

The tasks of a simulated world run in an order that the machine decides. With one shared generator that order would
change every latency.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chance:
    """One generator for each key."""

    seed: int = 0

    def generator(self, *key: object) -> random.Random:
        """A new generator for `key`."""
        text = "\x1f".join(str(part) for part in (self.seed, *key))
        return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))

    def uniform(self, low: float, high: float, *key: object) -> float:
        return self.generator(*key).uniform(low, high)

    def latency(self, median: float, *key: object, sigma: float = 0.25, tail: float = 0.01) -> float:
        """Seconds: lognormal around `median`; with probability `tail` five times that
        (docs/reference/compute-engine.md#operation-latency)."""
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
