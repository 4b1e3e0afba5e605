"""The table of `herder observability export`: files, and whether each was written."""

from herder.cli.output.rows import Column, View

EXPORTED = View(
    noun="file",
    name=lambda row: row["file"],
    columns=(
        Column(header="FILE", show=lambda row, now_s: row["file"], raw=lambda row: row["file"]),
        Column(
            header="WRITTEN",
            show=lambda row, now_s: "yes" if row["written"] else "no, it is the same",
            raw=lambda row: row["written"],
        ),
    ),
    empty="",
)
