-- What cards are told when they are to open a session over HTTPS.

CREATE TABLE smsr.https_endpoint (
	mno_id text PRIMARY KEY,
	host text,
	address inet CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
	port int CHECK (port BETWEEN 1 AND 65535),
	uri text,
	agent_id text,
	bearer bytea,
	buffer_size int CHECK (buffer_size BETWEEN 1 AND 65535),
	access_name text,
	names_key boolean NOT NULL DEFAULT false,
	retries int,
	retry_delay interval,
	failure_report bytea,
	CHECK (smsr.session_trigger(bearer => bearer, buffer_size => buffer_size, access_name => access_name, port => port, address => address,
		retries => retries, retry_delay => retry_delay, failure_report => failure_report, host => host, agent_id => agent_id, uri => uri) IS NOT NULL)
);
COMMENT ON TABLE smsr.https_endpoint IS 'Where cards are told to open their session, by the operator that they are with; for what is NULL, and without a row, a card takes what it has stored';
COMMENT ON COLUMN smsr.https_endpoint.mno_id IS 'Operator of the enabled profile; *: all that have no row';
COMMENT ON COLUMN smsr.https_endpoint.host IS 'For the header Host';
COMMENT ON COLUMN smsr.https_endpoint.uri IS 'Of the first request';
COMMENT ON COLUMN smsr.https_endpoint.agent_id IS 'What a card calls itself in X-Admin-From, in place of EID and ISD-R';
COMMENT ON COLUMN smsr.https_endpoint.bearer IS 'Value of the bearer description (TS 102 223 clause 8.52)';
COMMENT ON COLUMN smsr.https_endpoint.buffer_size IS 'Octets that the card is to have room for';
COMMENT ON COLUMN smsr.https_endpoint.access_name IS 'Network access name (APN)';
COMMENT ON COLUMN smsr.https_endpoint.names_key IS 'Whether the card is told which of its SCP81 key sets to use, the active one of the highest version, and the identity to show';
COMMENT ON COLUMN smsr.https_endpoint.retries IS 'How often a card tries, retry_delay apart';
COMMENT ON COLUMN smsr.https_endpoint.failure_report IS 'Value of the object that has a card report that it could not';
