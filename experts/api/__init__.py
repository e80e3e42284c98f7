"""The experts' REST resources."""
