"""The shoot controller: runs passes over one Shoot until its migration is complete."""

from dualstack.gardener.controllers.shoot.controller import ShootController

__all__ = ["ShootController"]
