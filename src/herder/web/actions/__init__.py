"""Actions in two steps: a page that says what would happen, then a form that carries it out through `Commands`.

`fields.py` reads what a person chose, `verbs.py` and `work_verbs.py` say what each verb does, `pages.py` has the two steps.
"""
