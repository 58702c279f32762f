-- Downloads: what an SM-DP sends to an ISD-P, piece by piece (ES3.SendData).  What
-- is known of a piece for good stands in smsr.operation; its octets stand here,
-- until it is over.

CREATE TABLE smsr.send_data_piece (
	eid smsr.eid NOT NULL REFERENCES smsr.euicc ON DELETE CASCADE,
	operation_id bigint NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (eid, operation_id)
);
-- it is enciphered: nothing would become shorter
ALTER TABLE smsr.send_data_piece ALTER data SET STORAGE EXTERNAL;
COMMENT ON TABLE smsr.send_data_piece IS 'Data of calls of send_data that have not ended: waiting, or under way';
COMMENT ON COLUMN smsr.send_data_piece.data IS 'Command TLVs as the SM-DP made and secured them for the ISD-P; nobody here looks into them';

CREATE INDEX profile_created ON smsr.profile (created_at) WHERE state = 'Created';

CREATE VIEW smsr.downloads WITH (security_invoker = true) AS
	SELECT p.eid, p.isdp_aid, p.iccid, p.smdp_id, p.mno_id, p.created_at AS since,
		d.pieces, d.octets, d.waiting_pieces, d.waiting_octets,
		CASE
			WHEN d.deleting THEN 'being deleted'
			WHEN d.sending THEN 'under way'
			WHEN d.waiting_pieces > 0 THEN 'waits for its turn'
			WHEN l.status IS NULL THEN 'awaits its first piece'
			WHEN l.status NOT IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING') THEN 'broken'
			WHEN l.more_to_do THEN 'awaits its next piece'
			ELSE 'awaits its end' END AS state,
		l.message AS because,
		greatest(p.created_at, d.ended_at) AS last_at,
		NOT (d.deleting OR d.sending) AND d.waiting_pieces = 0
			AND greatest(p.created_at, d.ended_at) < now() - (SELECT smsr.setting('download_abandoned_after')::interval) AS abandoned
	FROM smsr.profile p
		CROSS JOIN LATERAL (
			SELECT count(*) FILTER (WHERE o.function = 'send_data' AND o.status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING')) AS pieces,
				coalesce(sum((o.arguments ->> 'octets')::int)
					FILTER (WHERE o.function = 'send_data' AND o.status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING')), 0) AS octets,
				count(*) FILTER (WHERE o.function = 'send_data' AND o.status IS NULL AND o.stage = 'waiting') AS waiting_pieces,
				coalesce(sum((o.arguments ->> 'octets')::int)
					FILTER (WHERE o.function = 'send_data' AND o.status IS NULL AND o.stage = 'waiting'), 0) AS waiting_octets,
				coalesce(bool_or(o.function = 'send_data' AND o.status IS NULL AND o.stage <> 'waiting'), false) AS sending,
				coalesce(bool_or(o.function = 'delete_profile' AND o.status IS NULL), false) AS deleting,
				max(o.finished_at) AS ended_at
			FROM smsr.operation o
			WHERE o.eid = p.eid AND o.iccid = p.iccid AND o.function IN ('send_data', 'delete_profile') AND o.requested_at >= p.created_at) d
		LEFT JOIN LATERAL (
			SELECT o.status, o.message, (o.arguments ->> 'more_to_do')::boolean AS more_to_do
			FROM smsr.operation o
			WHERE o.eid = p.eid AND o.iccid = p.iccid AND o.function = 'send_data' AND o.requested_at >= p.created_at AND o.status IS NOT NULL
				-- a call that was refused has sent nothing and broken nothing
				AND (o.step IS NOT NULL OR o.status = 'EXPIRED')
			ORDER BY o.id DESC LIMIT 1) l ON true
	WHERE p.state = 'Created' AND p.iccid IS NOT NULL;
COMMENT ON VIEW smsr.downloads IS 'ISD-Ps that were made and whose profile''s download has not been reported as complete: pieces and octets that the card has had, what waits, how it stands, and whether nobody has gone on with it for smsr.download_abandoned_after';
