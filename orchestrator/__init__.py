"""WHEN and WHERE: what is still to do, who does it, and what came of it."""
