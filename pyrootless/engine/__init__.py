"""Orchestration: the life of containers.

What comes in: images and options. What goes out: children and results.
Must never: parse an option's text (the C table does) or know a door.
"""
