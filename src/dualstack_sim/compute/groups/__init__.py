"""Managed instance groups and instance templates."""
