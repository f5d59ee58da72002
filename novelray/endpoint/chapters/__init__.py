"""Chapters as jobs: long texts that are written in the background and outlive the client and the replica."""
