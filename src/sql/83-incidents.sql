-- What somebody should look at.

CREATE VIEW smsr.incident WITH (security_invoker = true) AS
	SELECT 'several eUICCs have one MSISDN' AS what, p.msisdn AS about,
		array_agg(DISTINCT p.eid) AS eids, max(p.changed_at) AS last_at,
		'messages from it are tied to an eUICC by its keys; correct the subscription addresses' AS advice
	FROM smsr.profile p
	WHERE p.msisdn IS NOT NULL
	GROUP BY p.msisdn
	HAVING count(DISTINCT p.eid) > 1
	UNION ALL
	SELECT 'messages that no key opens', m.address, array_agg(DISTINCT m.eid) FILTER (WHERE m.eid IS NOT NULL), max(m.at),
		'somebody else sends from this number, or the card''s keys are not those in the inventory'
	FROM smsr.message m
	WHERE m.at > now() - interval '1 day' AND m.direction = 'in'
		AND m.outcome IN ('unauthenticated notification', 'unauthenticated answer', 'unknown originator', 'unknown answer')
	GROUP BY m.address
	UNION ALL
	SELECT 'messages that could not be processed', m.address, array_agg(DISTINCT m.eid) FILTER (WHERE m.eid IS NOT NULL), max(m.at),
		'see smsr.message: octets and reason are kept'
	FROM smsr.message m
	WHERE m.at > now() - interval '1 day' AND m.direction = 'in'
		AND m.outcome IN ('not processed', 'unreadable', 'unreadable notification', 'contradictory notification',
			'unreadable request', 'contradictory request')
	GROUP BY m.address
	UNION ALL
	SELECT 'messages that are held', h.originator, array_agg(DISTINCT e.eid), max(h.received_at),
		h.because || '; see the oldest in pg_stat_activity.xact_start and pg_locks'
	FROM smsr.inbound_held h LEFT JOIN LATERAL unnest(h.eids) e (eid) ON true
	WHERE h.received_at < now() - interval '1 minute'
	GROUP BY h.originator, h.because
	UNION ALL
	SELECT 'a counter at its end', format('KVN %s', k.kvn), array_agg(k.eid), NULL,
		'the card takes no packet under this key set any more: it needs a new one'
	FROM smsr.keyset k
	WHERE k.type = 'SCP80' AND k.counter >= 1099511627775
	GROUP BY k.kvn
	UNION ALL
	SELECT CASE WHEN o.usable THEN 'a compromised key set, and another one is in use'
			ELSE 'a compromised key set, and no other one' END, format('KVN %s', k.kvn), array_agg(k.eid), max(k.state_at),
		CASE WHEN o.usable THEN 'smsr.rotate_keys() puts new keys in its place on the card'
			ELSE 'nothing is sent to these cards: new keys have to be established by other means than a key set' END
	FROM smsr.keyset k CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM smsr.keyset a
		WHERE a.eid = k.eid AND a.sd_aid = k.sd_aid AND a.type = k.type AND a.state = 'active') AS usable) o
	WHERE k.state = 'compromised'
	GROUP BY o.usable, k.kvn
	UNION ALL
	SELECT 'a key set that is not proven', format('KVN %s', k.kvn), array_agg(k.eid), max(k.state_at),
		'the card may have it: call smsr.rotate_keys() again, which finds out'
	FROM smsr.keyset k
	WHERE k.state = 'pending' AND NOT EXISTS (SELECT FROM smsr.operation r
		WHERE r.eid = k.eid AND r.function = 'rotate_keys' AND r.status IS NULL)
	GROUP BY k.kvn
	UNION ALL
	SELECT 'eUICCs without keys', format('EUM %s', w.eum_id), array_agg(w.eid), max(w.since),
		'nothing can be sent to them: COPY their key sets into smsr.key_inbox and call smsr.import_keys()'
	FROM smsr.euicc_without_keys w
	GROUP BY w.eum_id
	UNION ALL
	SELECT 'downloads that nobody goes on with', 'SM-DP ' || d.smdp_id, array_agg(d.eid), max(d.last_at),
		'the SM-DP is to send the rest, to report the end, or to delete the ISD-P (smsr.delete_isdp); see smsr.downloads'
	FROM smsr.downloads d
	WHERE d.abandoned
	GROUP BY d.smdp_id
	UNION ALL
	SELECT 'devices that do not open sessions', format('%s %s of EUM %s', r.platform_type, r.platform_version, r.eum_id), NULL, max(r.last_at),
		'what fits no short messages does not reach them: see their key sets for SCP81, and smsr.https_endpoint'
	FROM smsr.bearer_record r
	GROUP BY r.eum_id, r.platform_type, r.platform_version
	HAVING sum(r.triggers) >= 20 AND sum(r.opened) < sum(r.triggers) / 20
	UNION ALL
	SELECT 'smsr.tick() can not do something', f.what, array_agg(f.eid) FILTER (WHERE f.eid IS NOT NULL), max(f.last_at),
		'see smsr.tick_fault: it is tried again; nothing else waits for it'
	FROM smsr.tick_fault f
	GROUP BY f.what;
COMMENT ON VIEW smsr.incident IS 'What somebody should look at: MSISDNs of several eUICCs, messages that no key opens or that could not be processed in the last day or have been held for more than a minute, counters at their end, key sets that are compromised or not proven, eUICCs whose keys have not come, kinds of devices that open no sessions, downloads that are abandoned, what time should have brought about and could not';
