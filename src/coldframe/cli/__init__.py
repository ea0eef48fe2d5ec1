"""Reads a command, speaks to the gateway as any client would, and shows the answer."""
