"""The conditional restricted Boltzmann machine."""
