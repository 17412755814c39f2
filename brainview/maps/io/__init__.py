"""Reading and writing maps: one function each for every format.

Foreign files are judged before they are read: sizes against dimensions, orientation, types, XML without entities. A
reader either gives maps with the right space or raises one clear line of the BrainViewError family.
"""

from brainview.maps.io.registry import (
    FORMATS,
    Format,
    format_of,
    join_hemispheres,
    read_labels,
    read_map,
    read_maps,
    read_pair,
    read_surface,
    write_map,
)

__all__ = ["FORMATS", "Format", "format_of", "join_hemispheres", "read_labels", "read_map", "read_maps", "read_pair",
           "read_surface", "write_map"]
