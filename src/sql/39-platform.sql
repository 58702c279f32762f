-- Update packages of EUMs: what was loaded, and what each card has answered to it.

CREATE TABLE smsr.platform_package (
	sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
	eum_id text NOT NULL,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
	version text NOT NULL CHECK (length(version) BETWEEN 1 AND 255),
	platform_type text,
	platform_version text,
	chunks int NOT NULL CHECK (chunks > 0),
	octets bigint NOT NULL,
	loaded_at timestamptz NOT NULL DEFAULT now(),
	loaded_by name NOT NULL,
	withdrawn_at timestamptz,
	UNIQUE (eum_id, name, version)
);
COMMENT ON TABLE smsr.platform_package IS 'Update packages for platforms of eUICCs, each loaded once; by what it is and not by a number, so that it is the same on every shard';
COMMENT ON COLUMN smsr.platform_package.sha256 IS 'Of its chunks, each behind its length in four octets';
COMMENT ON COLUMN smsr.platform_package.platform_type IS 'For eUICCs of this PlatformType alone; NULL: of any of its EUM''s';
COMMENT ON COLUMN smsr.platform_package.platform_version IS 'For eUICCs of this PlatformVersion alone; NULL: of any';
COMMENT ON COLUMN smsr.platform_package.withdrawn_at IS 'Since when it is not to be sent any more; what is under way goes on';

CREATE TABLE smsr.platform_chunk (
	sha256 bytea NOT NULL REFERENCES smsr.platform_package ON DELETE CASCADE,
	n int NOT NULL CHECK (n > 0),
	commands bytea NOT NULL,
	PRIMARY KEY (sha256, n)
);
-- it is enciphered: nothing would become shorter
ALTER TABLE smsr.platform_chunk ALTER commands SET STORAGE EXTERNAL;
COMMENT ON TABLE smsr.platform_chunk IS 'What goes to a card in one script each, in this order';
COMMENT ON COLUMN smsr.platform_chunk.commands IS 'Command TLVs as the EUM made and secured them; nobody here looks into them';

CREATE TABLE smsr.platform_result (
	eid smsr.eid NOT NULL,
	operation_id bigint NOT NULL,
	chunk int NOT NULL,
	answered_at timestamptz NOT NULL DEFAULT now(),
	por_status smallint NOT NULL,
	sw int,
	carried_out boolean NOT NULL,
	response bytea,
	PRIMARY KEY (eid, operation_id, chunk)
);
COMMENT ON TABLE smsr.platform_result IS 'What a card has answered to each chunk of a package; kept when the operation is history';
COMMENT ON COLUMN smsr.platform_result.por_status IS 'Response status of the packet (TS 102 225), or what a session says in its place';
COMMENT ON COLUMN smsr.platform_result.sw IS 'Last status word of the answer; NULL if there is none';
COMMENT ON COLUMN smsr.platform_result.carried_out IS 'The card has run all of it and its last word is a success';

-- The first chunk of an update that is not known to be carried out.
CREATE FUNCTION smsr.package_position(p_eid smsr.eid, p_operation bigint, arguments jsonb) RETURNS int
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN coalesce((SELECT max(r.chunk) + 1 FROM smsr.platform_result r
			WHERE r.eid = p_eid AND r.operation_id = p_operation AND r.carried_out), (arguments ->> 'first')::int);
	END $$;
COMMENT ON FUNCTION smsr.package_position(smsr.eid, bigint, jsonb) IS 'Which chunk of its package an update is at; one more than there are when it is through';

CREATE FUNCTION smsr.package_script(p_eid smsr.eid, p_operation bigint, arguments jsonb) RETURNS bytea
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- a script without a command: a card refuses that, so the update ends and says at which chunk
		RETURN coalesce((SELECT smsr.script_relayed(c.commands) FROM smsr.platform_chunk c
			WHERE c.sha256 = decode(arguments ->> 'package', 'hex')
				AND c.n = smsr.package_position(p_eid, p_operation, arguments)), '\xAA00');
	END $$;
COMMENT ON FUNCTION smsr.package_script(smsr.eid, bigint, jsonb) IS 'The script of the chunk that an update is at; an empty one if its package is not on this shard';

CREATE VIEW smsr.platform_update WITH (security_invoker = true) AS
	SELECT o.eid, o.id AS operation_id, p.eum_id, o.arguments ->> 'name' AS name, o.arguments ->> 'version' AS version,
		(o.arguments ->> 'first')::int AS first, (o.arguments ->> 'chunks')::int AS chunks,
		d.carried_out, d.position <= (o.arguments ->> 'chunks')::int AND o.status = 'EXPIRED' AND o.step IS NOT NULL
			AND o.message NOT LIKE '%no chunk is in doubt%' AS in_doubt,
		coalesce(o.status, o.stage) AS state, o.message AS because, o.requested_at, o.finished_at
	FROM smsr.operation o
		LEFT JOIN smsr.platform_package p ON p.sha256 = decode(o.arguments ->> 'package', 'hex')
		CROSS JOIN LATERAL (SELECT s.position, s.position - (o.arguments ->> 'first')::int AS carried_out
			FROM (SELECT coalesce(max(r.chunk) FILTER (WHERE r.carried_out) + 1, (o.arguments ->> 'first')::int) AS position
				FROM smsr.platform_result r WHERE r.eid = o.eid AND r.operation_id = o.id) s) d
	WHERE o.function = 'update_platform' AND o.arguments ? 'package';
COMMENT ON VIEW smsr.platform_update IS 'Updates of platforms: from which chunk on, how many were carried out, whether the next one is in doubt, and how each stands';
