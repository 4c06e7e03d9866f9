"""Every component as pure functions: its objects as they are created, and the edits of objects that exist."""
