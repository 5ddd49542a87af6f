"""The peer of benchmarks/api.py: the same lists in PostgreSQL, behind the smallest endpoint that answers alike.

    python benchmarks/api_postgres.py --store FOLDER     # the folder that benchmarks/api.py was given

One table has the list of each product of one slot as arrays, which is the form that PostgreSQL reads fastest; another
has the products. The endpoint is Starlette on uvicorn with a pool of connections, one worker, no rules and no checks.
It and PostgreSQL's processes share the first core, as they share the work; wrk has the second.
"""

import argparse
import io
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.pool
import pyarrow as pa

from core.recommendations import GOES_WITH
from core.recommendations.served import served
from core.store import Store

CATEGORY = "bench"
QUERY = """
SELECT entry.rank, product.product_id, product.title, product.brand, entry.score
FROM lists, unnest(neighbours, scores) WITH ORDINALITY AS entry(neighbour, score, rank)
JOIN products AS product ON product.product_id = entry.neighbour
WHERE lists.product_id = %s ORDER BY entry.rank LIMIT 20
"""


def create():
    """The application; DSN names the database."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    pool = psycopg2.pool.ThreadedConnectionPool(8, 40, os.environ["DSN"])

    def product(request):
        connection = pool.getconn()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(QUERY, [request.path_params["product"]])
                names = ("rank", "product", "title", "brand", "score")
                return JSONResponse({"items": [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]})
        finally:
            pool.putconn(connection)

    def health(request):
        return JSONResponse({"versions": {CATEGORY: "postgres"}})

    return Starlette(
        routes=[Route(f"/v1/{CATEGORY}/products/{{product}}/goes-with", product), Route("/health", health)]
    )


def load(dsn: str, folder: Path) -> float:
    """Copy the lists; returns seconds."""
    started = time.perf_counter()
    lists = served(Store(folder / "data" / "store"), CATEGORY).recommendations
    ids = lists.products["product_id"].combine_chunks()
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE products (product_id text, title text, brand text)")
        cursor.execute("CREATE TABLE lists (product_id text, neighbours text[], scores real[])")
        nodes, scores = lists.neighbours[GOES_WITH], lists.scores[GOES_WITH]
        for first in range(0, len(nodes), 50_000):
            part = slice(first, first + 50_000)
            rows = lists.products.slice(first, 50_000)
            columns = (rows[name].to_pylist() for name in ("product_id", "title", "brand"))
            text = "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))
            cursor.copy_expert("COPY products FROM STDIN", io.StringIO(text))
            named = ids.take(pa.array(nodes[part].ravel())).to_pylist()
            k = nodes.shape[1]
            text = "".join(
                f"{product}\t{{{','.join(named[row * k : row * k + k])}}}\t{{{','.join(map(str, values))}}}\n"
                for row, (product, values) in enumerate(
                    zip(rows["product_id"].to_pylist(), scores[part].tolist(), strict=True)
                )
            )
            cursor.copy_expert("COPY lists FROM STDIN", io.StringIO(text))
        cursor.execute("ALTER TABLE products ADD PRIMARY KEY (product_id)")
        cursor.execute("ALTER TABLE lists ADD PRIMARY KEY (product_id)")
    connection.autocommit = True
    connection.cursor().execute("VACUUM ANALYZE")
    connection.close()
    return time.perf_counter() - started


def main() -> None:
    from api import await_health, lua, wrk

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--products", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "api.jsonl")
    arguments = parser.parse_args()
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    account = {}
    if os.geteuid() == 0:  # which may not start the server
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data, ports = folder / "data", [free_port(), free_port()]
    dsn = f"host=127.0.0.1 port={ports[0]} user=bench dbname=postgres"
    options = f"-p {ports[0]} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=2GB"
    control, more = [binaries / "pg_ctl", "-D", data], {"cwd": folder, "check": True, **account}
    subprocess.run([binaries / "initdb", "-D", data, "-U", "bench", "-A", "trust"], **more, stdout=subprocess.DEVNULL)
    start = ["taskset", "-c", "0", *control, "-w", "-l", folder / "log", "-o", options, "start"]
    subprocess.run(start, **more, stdout=subprocess.DEVNULL)
    try:
        seconds = load(dsn, arguments.store)
        command = ["taskset", "-c", "0", sys.executable, "-m", "uvicorn", "--factory", "api_postgres:create"]
        command += ["--port", str(ports[1]), "--no-access-log", "--log-level", "warning"]
        server = subprocess.Popen(command, env=os.environ | {"DSN": dsn}, cwd=Path(__file__).parent)
        try:
            await_health(ports[1])
            script = lua(folder, arguments.products)["lists"]
            wrk(ports[1], script, arguments.connections, 5)
            row = {"what": "lists, PostgreSQL", "connections": arguments.connections, "load_seconds": round(seconds)}
            row |= wrk(ports[1], script, arguments.connections, arguments.seconds)
        finally:
            server.terminate()
            server.wait(30)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **more, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)
    row |= {"products": arguments.products, "slots": 1, "k": 20}
    with arguments.out.open("a") as out:
        out.write(json.dumps(row) + "\n")
    print(json.dumps(row))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
