/** An address that this browser keeps. The key in it can sign and cannot be read. */
export interface Kept {
  readonly keys: CryptoKeyPair;
  readonly label: string;
  readonly token: string;
}

const [DATABASE, STORE, KEY] = ["veranda-publish", "address", "kept"];

/** Returns the address that was kept; nothing where the browser keeps nothing. */
export async function loadKept(): Promise<Kept | undefined> {
  try {
    return await work("readonly", (store) => store.get(KEY) as IDBRequest<Kept | undefined>);
  } catch {
    // Private windows of some browsers have no database; then nothing was kept.
    return undefined;
  }
}

/** Keeps an address. Throws where the browser keeps nothing. */
export async function keep(kept: Kept): Promise<void> {
  await work("readwrite", (store) => store.put(kept, KEY));
}

/** Forgets the address. */
export async function forget(): Promise<void> {
  await work("readwrite", (store) => store.delete(KEY));
}

async function work<T>(
  mode: IDBTransactionMode,
  task: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(task(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
