"""The `brainview` command: one module per verb in this folder, found by name and imported when it is used."""
