"""What Gardener's API and extensions refuse, with the field's path and Gardener's wording."""
