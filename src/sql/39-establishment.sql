-- Key establishments of this SM-SR with cards of its own, under way.

CREATE TABLE smsr.establishment (
	eid smsr.eid PRIMARY KEY REFERENCES smsr.euicc ON DELETE CASCADE,
	operation_id bigint NOT NULL,
	card_operation_id bigint,
	stage text NOT NULL CHECK (stage IN ('authenticating', 'establishing')),
	kvn smallint NOT NULL CHECK (kvn BETWEEN 64 AND 79),
	certificate bytea NOT NULL,
	ecasd bytea NOT NULL,
	crt bytea,
	sealed bytea,
	began_at timestamptz NOT NULL DEFAULT now(),
	CHECK ((stage = 'establishing') = (sealed IS NOT NULL))
);
COMMENT ON TABLE smsr.establishment IS 'Key establishments with cards of our own (ES5.EstablishISDRKeySet) that are under way, one at a time an eUICC';
COMMENT ON COLUMN smsr.establishment.operation_id IS 'The call';
COMMENT ON COLUMN smsr.establishment.card_operation_id IS 'What the card is asked for it at present';
COMMENT ON COLUMN smsr.establishment.stage IS 'authenticating: the card is shown our certificate; establishing: it computes the keys';
COMMENT ON COLUMN smsr.establishment.certificate IS 'The certificate of ours that the card is shown';
COMMENT ON COLUMN smsr.establishment.ecasd IS 'Certificate of the card''s ECASD, whose key takes part in the agreement';
COMMENT ON COLUMN smsr.establishment.sealed IS 'The ephemeral private key, until the receipt is there';
