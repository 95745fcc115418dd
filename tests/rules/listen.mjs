// Listens to documents as an app does, with Firebase's own SDK and nobody signed in.
// node listen.mjs HOST:PORT PROJECT PATH…   One JSON line for each snapshot or refusal, with the time it came.
import { createRequire } from "node:module";

const sdk = createRequire(new URL("../../emulators/package.json", import.meta.url));
const { initializeApp } = sdk("@firebase/app");
const { connectFirestoreEmulator, doc, getFirestore, onSnapshot, setLogLevel } = sdk("@firebase/firestore");

const [address, projectId, ...paths] = process.argv.slice(2);
const [host, port] = address.split(":");
const tell = (fact) => process.stdout.write(JSON.stringify({ at: Date.now() / 1000, ...fact }) + "\n");

setLogLevel("silent");
const database = getFirestore(initializeApp({ projectId }));
connectFirestoreEmulator(database, host, Number(port));
for (const path of paths) {
  onSnapshot(
    doc(database, path),
    (snapshot) => tell({ path, tiers: snapshot.data()?.tiers, asOf: snapshot.data()?.asOf?.toMillis() }),
    (refusal) => tell({ path, refused: refusal.code }),
  );
}
