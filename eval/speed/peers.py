"""What people would pick instead, each behind the same thin HTTP service.

`python -m eval.speed.peers NAME build|serve …` runs in the benchmarks' environment. `naive` is the service
of an afternoon: FastAPI, sentence-transformers, FAISS. The others put a vector store in the place of FAISS;
txtai encodes by itself. All return the first passages' words with their scores, and nothing else.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

Found = list[tuple[str, float]]


class Peer(Protocol):
    """A store of passages in a folder: built once, then opened and asked."""

    def build(self, texts: list[str]) -> None:
        """Encode and store passages."""

    def open(self) -> None:
        """Open what was built."""

    def search(self, query: str, limit: int) -> Found:
        """The nearest passages with their scores, best first."""


class _Encoding:
    """What most peers share: vectors come from sentence-transformers, as its documentation shows."""

    def __init__(self, folder: Path, model: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.folder = folder
        self.model = SentenceTransformer(str(model), device="cpu")

    def encode(self, texts: str | list[str]) -> Any:
        return self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)


class Naive(_Encoding):
    """A flat FAISS index and the passages in a JSON file."""

    def build(self, texts: list[str]) -> None:
        import faiss

        vectors = self.encode(texts)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        faiss.write_index(index, str(self.folder / "passages.faiss"))
        (self.folder / "passages.json").write_text(json.dumps(texts), "utf-8")

    def open(self) -> None:
        import faiss

        self.index = faiss.read_index(str(self.folder / "passages.faiss"))
        self.texts = json.loads((self.folder / "passages.json").read_text("utf-8"))

    def search(self, query: str, limit: int) -> Found:
        scores, rows = self.index.search(self.encode([query]), limit)
        return [(self.texts[row], float(score)) for row, score in zip(rows[0], scores[0], strict=True)]


class Chroma(_Encoding):
    """Chroma, persistent, cosine."""

    def _client(self) -> Any:
        import chromadb

        return chromadb.PersistentClient(str(self.folder), chromadb.Settings(anonymized_telemetry=False))

    def build(self, texts: list[str]) -> None:
        collection = self._client().create_collection("passages", metadata={"hnsw:space": "cosine"})
        vectors = self.encode(texts)
        for first in range(0, len(texts), 5_000):  # its largest batch
            part = range(first, min(first + 5_000, len(texts)))
            documents = [texts[row] for row in part]
            collection.add(
                ids=[str(row) for row in part],
                embeddings=vectors[part.start : part.stop],
                documents=documents,
            )

    def open(self) -> None:
        self.collection = self._client().get_collection("passages")

    def search(self, query: str, limit: int) -> Found:
        found = self.collection.query(query_embeddings=self.encode([query]), n_results=limit)
        return [
            (text, 1 - distance)
            for text, distance in zip(found["documents"][0], found["distances"][0], strict=True)
        ]


class LanceDB(_Encoding):
    """LanceDB, a table on disk."""

    def build(self, texts: list[str]) -> None:
        import lancedb

        rows = [
            {"text": text, "vector": vector} for text, vector in zip(texts, self.encode(texts), strict=True)
        ]
        lancedb.connect(str(self.folder)).create_table("passages", rows)

    def open(self) -> None:
        import lancedb

        self.table = lancedb.connect(str(self.folder)).open_table("passages")

    def search(self, query: str, limit: int) -> Found:
        nearest = self.table.search(self.encode(query)).distance_type("cosine").limit(limit).to_list()
        return [(row["text"], 1 - row["_distance"]) for row in nearest]


class Qdrant(_Encoding):
    """Qdrant's client in local mode: its store in this process, no server."""

    def _client(self) -> Any:
        from qdrant_client import QdrantClient

        return QdrantClient(path=str(self.folder), force_disable_check_same_thread=True)

    def build(self, texts: list[str]) -> None:
        from qdrant_client.models import Distance, PointStruct, VectorParams

        vectors, client = self.encode(texts), self._client()
        shape = VectorParams(size=vectors.shape[1], distance=Distance.COSINE)
        client.create_collection("passages", vectors_config=shape)
        client.upsert(
            "passages",
            [
                PointStruct(id=row, vector=vector.tolist(), payload={"text": text})
                for row, (text, vector) in enumerate(zip(texts, vectors, strict=True))
            ],
        )
        client.close()

    def open(self) -> None:
        self.client = self._client()

    def search(self, query: str, limit: int) -> Found:
        points = self.client.query_points("passages", query=self.encode(query).tolist(), limit=limit).points
        return [(point.payload["text"], point.score) for point in points]


class Txtai:
    """txtai, which encodes by itself, with its content store."""

    def __init__(self, folder: Path, model: Path) -> None:
        from txtai import Embeddings

        self.folder = folder
        self._one_at_a_time = Lock()  # its content store breaks if two threads search
        self.embeddings = Embeddings(path=str(model), method="sentence-transformers", content=True)

    def build(self, texts: list[str]) -> None:
        self.embeddings.index(texts)
        self.embeddings.save(str(self.folder / "index"))

    def open(self) -> None:
        self.embeddings.load(str(self.folder / "index"))

    def search(self, query: str, limit: int) -> Found:
        with self._one_at_a_time:
            return [(row["text"], row["score"]) for row in self.embeddings.search(query, limit)]


PEERS: dict[str, Callable[[Path, Path], Peer]] = {
    "naive": Naive,
    "chroma": Chroma,
    "lancedb": LanceDB,
    "qdrant": Qdrant,
    "txtai": Txtai,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build a peer's store, or serve it."""
    parser = argparse.ArgumentParser(prog="python -m eval.speed.peers")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("command", choices=("build", "serve"))
    parser.add_argument("--model", type=Path, required=True, help="the encoder's folder")
    parser.add_argument("--folder", type=Path, required=True, help="where the store is")
    parser.add_argument("--passages", type=Path, help="what to build from: a JSON array of texts")
    parser.add_argument("--port", type=int)
    options = parser.parse_args(arguments)
    if options.command == "build":
        options.folder.mkdir(parents=True)
    peer: Peer = PEERS[options.name](options.folder, options.model)
    if options.command == "build":
        peer.build(json.loads(options.passages.read_text("utf-8")))
    else:
        peer.open()
        serve(peer, options.port)


def serve(peer: Peer, port: int) -> None:
    """Serve a peer: the same few lines for all of them."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Question(BaseModel):
        """What is asked."""

        query: str
        limit: int = 3

    app = FastAPI()

    @app.post("/v1/answer")
    def answer(question: Question) -> dict[str, Any]:
        found = peer.search(question.query, question.limit)
        return {"results": [{"text": text, "score": score} for text, score in found]}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
