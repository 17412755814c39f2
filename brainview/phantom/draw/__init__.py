"""Drawing of scene graphs: flat shapes with soft shading, texture, light and grain."""

from brainview.phantom.draw.render import Rendered, draw_object, draw_scene, render, silhouettes

__all__ = ["Rendered", "draw_object", "draw_scene", "render", "silhouettes"]
