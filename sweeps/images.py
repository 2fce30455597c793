"""Images for a study: a data set that is downloaded or, in its place, a user's own file or folder. No study itself."""

from typing import Annotated, Any

from pydantic import Field

from measures.registry import Component

Images = Annotated[
    str,
    Field(
        description="the images in another form: an .npz file of (n, h, w, channels), grey ones of (n, h, w), or a "
        "folder of image files; downloaded if empty"
    ),
]


def in_place_of(downloaded: Component, images: str, *, grey: bool = False, **settings: Any) -> Component:
    """The data set or, if `images` names some, a user's own images, treated in the same way but for `settings`."""
    if not images:
        return downloaded
    own = {**dict(downloaded.settings), "path": images, **settings}
    if images.endswith(".npz"):
        return Component("arrays", channels_last=not grey, **own)
    return Component("image_folder", channels=1 if grey else 3, **own)
