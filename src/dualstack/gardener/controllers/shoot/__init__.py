"""The shoot controller: one Shoot, pass after pass, until its migration is complete."""

from dualstack.gardener.controllers.shoot.controller import ShootController

__all__ = ["ShootController"]
