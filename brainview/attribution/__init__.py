"""Which voxels carry it: IB-BA and the methods it is compared with, and how a map is graded."""
