"""Reads requests and writes answers in AWS wire protocols, one file for each protocol."""
