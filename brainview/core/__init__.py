"""What every part stands on: errors, safe files, paths, shown names, the job context. Knows no brain."""
