// Drives @google-cloud/compute through the steps on standard input, and prints the outcome of each: "" for success,
// the HTTP status of a refusal, or the code inside an operation that failed.
import compute from "@google-cloud/compute";
import { OAuth2Client } from "google-auth-library";
import { readFileSync } from "node:fs";

const { port, steps } = JSON.parse(readFileSync(0, "utf8"));
const authClient = new OAuth2Client();
authClient.setCredentials({ access_token: "simulated", expiry_date: Date.now() + 3600000 });
const options = { apiEndpoint: "127.0.0.1", port, protocol: "http", fallback: true, authClient, projectId: "proj-1" };

const clients = {
  networks: new compute.NetworksClient(options),
  routes: new compute.RoutesClient(options),
  subnetworks: new compute.SubnetworksClient(options),
  instances: new compute.InstancesClient(options),
};
const operations = {
  global: new compute.GlobalOperationsClient(options),
  region: new compute.RegionOperationsClient(options),
  zone: new compute.ZoneOperationsClient(options),
};

async function finished(operation) {
  const last = (link) => link.split("/").pop();
  while (operation.status !== "DONE") {
    const request = { project: "proj-1", operation: operation.name };
    if (operation.zone) {
      [operation] = await operations.zone.wait({ ...request, zone: last(operation.zone) });
    } else if (operation.region) {
      [operation] = await operations.region.wait({ ...request, region: last(operation.region) });
    } else {
      [operation] = await operations.global.wait(request);
    }
  }
  return operation;
}

async function fingerprint(step) {
  const { networkInterface, ...where } = step.where;
  const [found] = await clients[step.service].get(where);
  return networkInterface ? found.networkInterfaces[0].fingerprint : found.fingerprint;
}

async function outcome(step) {
  const request = { ...step.where };
  if (step.resource) {
    request[step.resource] = { ...step.body };
    if (step.body.fingerprint === "<current>") {
      request[step.resource].fingerprint = await fingerprint(step);
    }
  }
  try {
    const [answer] = await clients[step.service][step.verb](request);
    if (step.verb === "get" || step.verb === "list" || !step.waits) {
      return "";
    }
    const operation = await finished(answer.latestResponse);
    return operation.error?.errors?.[0]?.code ?? "";
  } catch (error) {
    if (typeof error.code !== "number") {
      throw error;
    }
    return String(error.code);
  }
}

const outcomes = [];
for (const step of steps) {
  outcomes.push(await outcome(step));
}
process.stdout.write(JSON.stringify(outcomes));
