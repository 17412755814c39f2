"""The trainer, losses, schedules and checkpoints; knows no system and no brain."""
