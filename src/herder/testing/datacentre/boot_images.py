"""What the ISO image of a NoCloud data source holds. Called by `datacentre` when a machine boots for the first time."""

import io

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

LABELS = ("cidata", "CIDATA")


def user_data(image: bytes) -> str:
    """Empty: the image is none of NoCloud, or has none."""
    disc = pycdlib.PyCdlib()
    try:
        disc.open_fp(io.BytesIO(image))
    except PyCdlibException:
        return ""
    try:
        if disc.pvd.volume_identifier.decode("latin-1").strip() not in LABELS:
            return ""
        out = io.BytesIO()
        disc.get_file_from_iso_fp(out, joliet_path="/user-data")
        return out.getvalue().decode()
    except (PyCdlibException, UnicodeDecodeError):
        return ""
    finally:
        disc.close()
