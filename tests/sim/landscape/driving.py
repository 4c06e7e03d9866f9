"""A migration as the owner of the Shoot drives it."""

from __future__ import annotations

from dualstack.cli.rehearsal.owner import Owner as Habits
from dualstack.cli.rehearsal.owner import is_settled
from dualstack.cli.rehearsal.record import Record, migration_constraints
from tests.support.virtual_world import Owner


async def migrated(owner: Owner, hours: float = 4.0) -> Record:
    """The Shoot's changes from the edit to the end, with an owner who requests what the Shoot needs."""
    habits, record = Habits("auto"), Record(origin=owner.clock.now())
    await owner.control("/trigger", "POST")
    await owner.edit("IPv4", "IPv6")
    deadline = owner.clock.now() + hours * 3600.0

    while True:
        shoot = await owner.shoot()
        record.see_shoot(shoot, owner.clock.now())
        if record.completed() and is_settled(shoot):
            return record
        assert owner.clock.now() < deadline, (owner.seen[-8:], migration_constraints(shoot))
        for name, value in (habits.next_request(shoot) or {}).items():
            await owner.annotate(name, value)
        await owner.clock.sleep(5.0)
