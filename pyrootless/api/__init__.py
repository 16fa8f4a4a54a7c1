"""The door for other systems: servers that speak their protocols.

What comes in: HTTP requests. What goes out: responses. Needs the extra `api` (h11).
Must never: be imported by anything but `pyrootless serve`.
"""
