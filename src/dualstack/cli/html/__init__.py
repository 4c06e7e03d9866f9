"""Turns the JSON documents of other commands into one page of HTML."""
