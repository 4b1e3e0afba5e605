"""Messages for incoming webhooks of Slack and of chats that take the same form (Mattermost, Rocket.Chat). Pure.

The form: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, with attachments for the colour.
"""

from collections.abc import Sequence

import msgspec

from herder.notify.notes import Note

#: By level, as on the dashboard.
_COLOURS = {"info": "#1f62b5", "warning": "#8a5a00", "critical": "#b3261e", "emergency": "#b3261e"}
#: Slack shows no more of one message.
ATTACHMENTS_MAX = 20


def slack_body(heading: str, notes: Sequence[Note]) -> str:
    """`heading` is what a phone shows of it."""
    attachments = [
        {
            "color": _COLOURS.get(note.level, "#5a6662"),
            "fallback": _escaped(note.title),
            "title": _escaped(note.title),
            "text": _escaped("\n".join((note.text, *note.advice, note.remedy))),
            "fields": [
                {"title": _escaped(key), "value": _escaped(value), "short": True} for key, value in note.facts
            ],
            "ts": note.at_s,
        }
        for note in notes[:ATTACHMENTS_MAX]
    ]
    more = len(notes) - ATTACHMENTS_MAX
    text = heading if more <= 0 else f"{heading} {more} more: herder alert list"
    return msgspec.json.encode({"text": _escaped(text), "attachments": attachments}).decode()


def _escaped(text: str) -> str:
    """`&`, `<` and `>` begin links and mentions, such as of a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
