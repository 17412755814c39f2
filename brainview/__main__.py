"""``python -m brainview`` is the `brainview` command."""

import sys

from brainview.cli.main import main

sys.exit(main())
