-- What an auditor wants to know of every key, without any of its octets.

CREATE FUNCTION smsr.key_evidence(only_eid smsr.eid DEFAULT NULL)
	RETURNS TABLE (level text, name text, eid smsr.eid, kvn smallint, type text, check_values bytea, state text, origin text,
		created_at timestamptz, age interval, use_count bigint, custodians name[], approval_id bigint, approved_by name,
		protected_by text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF only_eid IS NULL THEN
		RETURN QUERY
		WITH sealed AS (
			SELECT b.id, sum(b.n)::bigint AS n
			FROM (SELECT substr(k.sealed, 2, 4) AS id, count(*) AS n FROM smsr.keyset AS k GROUP BY 1
				UNION ALL SELECT substr(t.sealed, 2, 4), 1 FROM smsr.transport_key AS t
				UNION ALL SELECT substr(m.sealed, 2, 4), 1 FROM smsr.master_key AS m) AS b
			GROUP BY 1
		)
		SELECT 'storage key', s.id::text, NULL::smsr.eid, NULL::smallint, 'AES-256-GCM', s.check_value, s.state, 'made here',
			s.created_at, now() - s.created_at, coalesce(u.n, 0), s.custodians, s.approval_id, a.decided_by, s.kek
		FROM smsr.storage_key AS s
			LEFT JOIN sealed AS u ON u.id = int4send(s.id)
			LEFT JOIN smsr.approval AS a ON a.id = s.approval_id;
		RETURN QUERY
		SELECT 'transport key', t.eum_id || ' ' || t.id, NULL::smsr.eid, NULL::smallint, t.mode, t.check_value,
			CASE WHEN now() < t.valid_from THEN 'not yet valid' WHEN now() < t.valid_until THEN 'active' ELSE 'expired' END,
			CASE WHEN t.ceremony_id IS NULL THEN 'import' ELSE 'ceremony ' || t.ceremony_id END,
			t.created_at, now() - t.created_at, NULL::bigint, t.custodians, t.approval_id, a.decided_by, 'storage key ' || s.id
		FROM smsr.transport_key AS t
			LEFT JOIN smsr.storage_key AS s ON int4send(s.id) = substr(t.sealed, 2, 4)
			LEFT JOIN smsr.approval AS a ON a.id = t.approval_id;
		RETURN QUERY
		SELECT 'master key', m.name, NULL::smsr.eid, NULL::smallint, m.scheme, m.check_value,
			CASE WHEN m.destroyed_at IS NULL THEN 'active' ELSE 'destroyed' END,
			CASE WHEN m.ceremony_id IS NULL THEN 'import' ELSE 'ceremony ' || m.ceremony_id END,
			m.created_at, now() - m.created_at, m.derived, m.custodians, m.approval_id, a.decided_by, 'storage key ' || s.id
		FROM smsr.master_key AS m
			LEFT JOIN smsr.storage_key AS s ON int4send(s.id) = substr(m.sealed, 2, 4)
			LEFT JOIN smsr.approval AS a ON a.id = m.approval_id;
	END IF;
	-- millions: two joins with tables that are small, nothing that is called for each row
	RETURN QUERY
	SELECT 'key set', CASE WHEN k.type = 'SCP81' THEN smsr.psk_identity(k.eid, k.sd_aid, k.kvn) END, k.eid, k.kvn, k.type, k.check_values, k.state, k.origin, k.created_at, now() - k.created_at,
		CASE WHEN k.type = 'SCP80' THEN k.counter - k.first_counter END, ARRAY[k.custodian]::name[], k.approval_id, a.decided_by,
		'storage key ' || s.id
	FROM smsr.keyset AS k
		LEFT JOIN smsr.storage_key AS s ON int4send(s.id) = substr(k.sealed, 2, 4)
		LEFT JOIN smsr.approval AS a ON a.id = k.approval_id
	WHERE only_eid IS NULL OR k.eid = only_eid;
	-- what is not here is told, too
	RETURN QUERY
	SELECT 'key set', NULL, l.eid, l.kvn, l.type, nullif(l.check_values, ''),
		CASE l.state WHEN 'awaited' THEN 'without keys' WHEN 'apart' THEN 'not kept: ' || l.because ELSE 'certificates' END, 'EIS',
		l.listed_at, now() - l.listed_at, NULL::bigint, NULL::name[], NULL::bigint, NULL::name, NULL
	FROM smsr.keyset_listed AS l
	WHERE (only_eid IS NULL OR l.eid = only_eid)
		AND NOT (l.state = 'public' AND EXISTS (SELECT FROM smsr.keyset AS k WHERE k.eid = l.eid AND k.sd_aid = l.sd_aid AND k.kvn = l.kvn));
END
$$;

CREATE VIEW smsr.euicc_without_keys WITH (security_invoker = true) AS
	SELECT l.eid, e.eum_id, array_agg(l.kvn ORDER BY l.kvn) AS awaited, min(l.listed_at) AS since
	FROM smsr.keyset_listed AS l JOIN smsr.euicc AS e ON e.eid = l.eid
	WHERE l.state = 'awaited'
		AND NOT EXISTS (SELECT FROM smsr.keyset AS k
			WHERE k.eid = l.eid AND k.sd_aid = l.sd_aid AND k.type = 'SCP80' AND k.state = 'active')
	GROUP BY l.eid, e.eum_id;
COMMENT ON VIEW smsr.euicc_without_keys IS 'eUICCs that were registered before their keys were there, with the versions that smsr.import_keys() is to bring: nothing can be sent to them';
COMMENT ON FUNCTION smsr.key_evidence(smsr.eid) IS 'Every key, or the key sets of one eUICC: check values, where it came from, when, how much it was used (packets for key sets, leaps of the counter included; what it seals or derived for others), who brought it and who approved that, and what protects it; never an octet of it';
