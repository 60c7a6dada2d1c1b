"""Training: recipes, what they build, one step of it."""
