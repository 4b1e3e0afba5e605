"""The commands, one file per noun, independent of each other. Each exports `build()`, which `main` puts together."""
