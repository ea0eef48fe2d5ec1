"""Finds out who asks, and whether they may."""
