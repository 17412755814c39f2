"""Counts of the Natural Scenes Dataset as MindEye's layouts hold it (developers' page "vindex", 1.1 and 1.4).

They are compared with the files, never assumed: what differs is told as a problem of the data set.
"""

from __future__ import annotations

#: Voxels of ``nsdgeneral`` by subject number.
VOXELS = {1: 15_724, 2: 14_278, 3: 15_226, 4: 13_153, 5: 13_039, 6: 17_907, 7: 12_682, 8: 14_386}
#: Samples of a full shard, and of the three parts of MindEye-1's subjects 1, 2, 5 and 7.
SHARD = 500
SAMPLES = {"train": 8_559, "val": 300, "test": 982}
#: Sessions of 750 trials by subject number.
SESSIONS = {1: 40, 2: 40, 3: 32, 4: 30, 5: 40, 6: 32, 7: 40, 8: 30}
#: Test trials by subject number: MindEye-1's 37-session set, and the complete one.
TEST_TRIALS = {"old": {1: 2770, 2: 2770, 3: 2113, 4: 1985, 5: 2770, 6: 2113, 7: 2770, 8: 1985},
               "new": {1: 3000, 2: 3000, 3: 2371, 4: 2188, 5: 3000, 6: 2371, 7: 3000, 8: 2188}}
