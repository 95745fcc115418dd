// Serves the official Auth emulator out of firebase-tools, alone. `firebase emulators:start` would open a hub and a
// logging server beside it, leave a locator file that two clouds fight over, and take twice the memory.
const { createApp } = require("firebase-tools/lib/emulator/auth/server.js");

const [project, host, port] = process.argv.slice(2);

createApp(project).then((app) => app.listen(Number(port), host));
