"""REST v1: thin routes over `control/`. Bodies are the structs of `wire/`, decoded and encoded by msgspec."""
