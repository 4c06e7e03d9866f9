"""One level-triggered reconcile for each kind of object; a killed process resumes from the observed state."""
