"""Reads machine pools of the ROSA module from HCL and writes a herder.yaml from them. Called by `herder config import-rosa`; reads no file itself and changes nothing."""
