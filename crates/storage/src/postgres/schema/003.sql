-- Schema 3: nothing is kept of a lease that nobody holds. Its epochs come from one sequence for all leases, so that one that was
-- given once never comes again.
CREATE SEQUENCE lease_epoch;
SELECT setval('lease_epoch', (SELECT coalesce(max(epoch), 0) + 1 FROM lease));
DELETE FROM lease WHERE node IS NULL;
