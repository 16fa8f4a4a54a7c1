"""The door for a person at a shell: one file per verb that Python serves.

What comes in: argv after the verb.  What goes out: an exit code.
Must never: hold logic of its own; the verbs call the rooms.
"""
