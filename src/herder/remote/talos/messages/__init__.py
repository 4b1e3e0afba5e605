"""Messages of the Talos API: a part of it, in `machine.proto` and `resource.proto`, and what protoc makes of them.

`machine_pb2` and `resource_pb2` are generated and never edited: `python tools/talos_messages.py` with grpcio-tools installed writes them and
`generated.toml`, whose hashes a test compares. Imported lazily: protobuf is part of the extra `talos`.
"""
