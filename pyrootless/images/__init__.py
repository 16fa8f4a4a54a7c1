"""Images: what a container is started from, and the launch templates that lie beside them.

What comes in: names and facts.  What goes out: directories below the store.
Must never: start a container.
"""
