"""What runs on a worker: it activates, exchanges with the server, runs attempts and streams their output.

The only way in is `herder.agent.main.run`. The agent calls out and is never called; it holds no state on disk that matters:
when it dies, the server retries its attempts on other workers. It imports little, late, because there is one per worker.
"""
